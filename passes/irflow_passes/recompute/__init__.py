"""The parts of the pass `rematerialize`: where memory is short, what to keep, the edit."""
