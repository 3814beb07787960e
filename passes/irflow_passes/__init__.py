"""The passes that come with irflow: one file each, found through the entry points
`irflow.passes`.
"""
