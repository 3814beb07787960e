"""How `fuse` works: nodes one by one (`traits`), together (`group`, `plan`), the edit
(`outline`).
"""
