"""What `fit`, `evaluate` and `predict` show: a bar in terminals and notebooks, else lines."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

# rich is imported where something is shown: silent training starts without it.

_WIDTH = 20
_INTERVAL = 0.1


def verbosity(verbose: Any, console: Console) -> int:
    """0, 1 or 2; "auto" is 1 where a bar can move, and 2 elsewhere."""
    if verbose == "auto":
        return 1 if can_move(console) else 2
    return int(verbose)


def can_move(console: Console) -> bool:
    """Whether a line can be written over."""
    return console.is_terminal or console.is_jupyter


class Screen:
    """The progress of one call.

    Args:
        verbose: 0 for nothing, 1 for a bar, 2 for a line an epoch.
        console: where to; the standard output by default.
    """

    def __init__(self, verbose: Any, console: Console | None = None) -> None:
        if verbose == 0:
            self.verbose = 0
            return
        from rich.console import Console

        self._console = console or Console(highlight=False, soft_wrap=True)
        self.verbose = verbosity(verbose, self._console)
        self._live: Live | _Cell | None = None
        self._steps: int | None = None
        self._begin = self._after_first = self._after_last = self._shown = 0.0
        self._first = 0
        self._epochs = 0

    def epoch(self, title: str | None, steps: int | None) -> None:
        """Begin an epoch, or a call that is one.

        Args:
            title: a line above, such as "Epoch 1/5".
            steps: how many there are, None if that is not known.
        """
        if not self.verbose:
            return
        # A bar appears after an interval: epochs that are shorter are drawn once, at their end.
        self._steps, self._begin = steps, time.perf_counter()
        self._shown = self._begin
        self._after_first = self._after_last = 0.0
        self._first = 0
        self._epochs += 1
        if title is not None:
            self._console.print(title, markup=False)
        if self.verbose == 1 and can_move(self._console):
            self._live = _moving_line(self._console)
            self._live.start()

    def update(self, step: int, logs: dict[str, Any]) -> None:
        """So many steps are done."""
        if not self.verbose:
            return
        now = time.perf_counter()
        if not self._first:
            self._first, self._after_first = step, now
        self._after_last = now
        if self._live is None or now - self._shown < _INTERVAL:
            return
        self._shown = now
        self._live.update(self._line(step, logs, now, is_last=False), refresh=True)

    def finish(self, step: int, logs: dict[str, Any]) -> None:
        """The epoch has ended after so many steps."""
        if not self.verbose:
            return
        line = self._line(step, logs, time.perf_counter(), is_last=True)
        if self._live is not None:
            self._live.update(line)
            self.close()
        else:
            self._console.print(line)

    def close(self) -> None:
        """Leave the line as it is; also after an error."""
        if self.verbose and self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, step: int, logs: dict[str, Any], now: float, is_last: bool) -> Text:
        from rich.text import Text

        steps = self._steps if self._steps is not None else step if is_last else None
        # While it moves it stays one line; at the end nothing is left out.
        line = Text(no_wrap=not is_last, overflow="fold" if is_last else "ellipsis")
        digits = len(str(steps)) if steps else 7
        line.append(f"{step:>{digits}}/{steps if steps else 'Unknown'}", style="bold")
        if self.verbose == 1 and steps:
            done = _WIDTH * step // steps
            line.append(" ").append("━" * done, style="green")
            line.append("━" * (_WIDTH - done), style="white")
        each = self._seconds(step, now)
        left = now - self._begin if is_last or not steps else each * (steps - step)
        line.append(" - " if self.verbose == 2 else " ")
        line.append(_clock(left), style="" if self.verbose == 2 else "bold")
        line.append(f"{' -' if self.verbose == 2 else ''} {_duration(each)}/step")
        for name, value in logs.items():
            line.append(f" - {name}: {_number(value)}")
        return line

    def _seconds(self, step: int, now: float) -> float:
        """A step's duration, without the first call of all, which compiles, and without validation.

        Where there was one call only, it is what counts, as Keras has it.
        """
        if self._epochs == 1 and step > self._first > 0:
            return (self._after_last - self._after_first) / (step - self._first)
        return ((self._after_last or now) - self._begin) / max(step, 1)


class _Cell:
    """A line in the output of a notebook's cell, where rich's `Live` would need a further package.

    Args:
        display: of IPython.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None
        self._text = ""

    def start(self) -> None:
        """Show an empty line."""
        self._handle = self._display({"text/plain": ""}, raw=True, display_id=True)

    def update(self, line: Text, *, refresh: bool = False) -> None:
        """Have another line in its place, shown at once or at the end."""
        self._text = line.plain
        if refresh:
            self._refresh()

    def stop(self) -> None:
        """Show the last line, and leave it."""
        self._refresh()

    def _refresh(self) -> None:
        self._handle.update({"text/plain": self._text}, raw=True)


def _moving_line(console: Console) -> Live | _Cell:
    if console.is_jupyter:
        return _Cell(importlib.import_module("IPython.display").display)
    from rich.live import Live
    from rich.text import Text

    return Live(Text(), console=console, auto_refresh=False, vertical_overflow="visible")


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isfinite(value) and value != 0 and abs(value) <= 1e-3:
        return f"{value:.4e}"
    return f"{value:.4f}"
