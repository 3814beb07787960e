"""How `fuse` works: what nodes cost (`traits`), which go together (`group`, `plan`), and the edit (`outline`)."""
