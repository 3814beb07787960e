"""Object files in memory: what is linked does what LLVM makes of it, the rest is refused."""

import ctypes
from collections.abc import Sequence

import pytest

from irflow_llvm import engine, linking, llvm
from irflow_llvm.linking import Image
from irflow_llvm.objects import LinkError

pytestmark = pytest.mark.skipif(not linking.is_supported(), reason="not Linux on x86-64")

NUMBER = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)

DATA = """
@count = global double 1.5, align 8
@room = internal global [100 x double] zeroinitializer, align 64
define double @f(double %x) {
  %before = load double, ptr @count
  %after = fadd double %before, %x
  store double %after, ptr @count
  %place = getelementptr [100 x double], ptr @room, i64 0, i64 99
  store volatile double %after, ptr %place
  %seen = load volatile double, ptr %place
  %end = fmul double %seen, 0x3FF3C083126E978D
  ret double %end
}
"""
CALLS = """
declare double @cos(double)
declare double @sin(double)
@table = internal constant [2 x ptr] [ptr @cos, ptr @twice]
define internal double @twice(double %x) {
  %y = fmul double %x, 2.0
  ret double %y
}
define double @f(double %x) {
  %is.large = fcmp ogt double %x, 1.0
  %number = zext i1 %is.large to i64
  %entry = getelementptr [2 x ptr], ptr @table, i64 0, i64 %number
  %chosen = load ptr, ptr %entry
  %y = call double %chosen(double %x)
  %z = call double @sin(double %y)
  %direct = select i1 %is.large, ptr @sin, ptr @cos
  %w = call double %direct(double %z)
  ret double %w
}
"""
CALLER = """
declare double @{1}(double)
define double @{0}(double %x) {{
  %y = call double @{1}(double %x)
  %z = fadd double %y, 1.0
  ret double %z
}}
"""
ONE, TWO = CALLER.format("f", "two"), CALLER.format("two", "third")


def objects(*texts: str) -> list[bytes]:
    return [llvm.object_code(text, 0) for text in texts]


def results(place: int | None) -> list[float]:
    assert place
    return [NUMBER(place)(x) for x in (0.25, 3.0, -1.0)]


@NUMBER
def third(x: float) -> float:
    return x * 3


@pytest.mark.parametrize("texts", [(DATA,), (CALLS,), (ONE, TWO), (TWO, ONE)])
def test_linked_code_does_what_llvm_makes_of_it(texts: Sequence[str]) -> None:
    codes, known = objects(*texts), {"third": ctypes.cast(third, ctypes.c_void_p).value or 0}
    expected = llvm.load(codes, known)
    image = Image(codes, known)
    assert results(image.address("f")) == results(expected.get_function_address("f"))
    assert image.address("third") is None, "it is not defined here"
    assert image.address("missing") is None


@pytest.mark.parametrize("level", [0, 1])
def test_what_is_written_stays_with_its_image(level: int) -> None:
    codes = [llvm.object_code(DATA, level)]
    first, second = Image(codes, {}), Image(codes, {})
    assert results(first.address("f")) == results(second.address("f"))
    assert results(first.address("f")) != results(second.address("f"))[::-1]


UNKNOWN = {
    "no library has the function": ONE,
    "a kind that is not known": """
@x = thread_local global i32 1
define ptr @f() {
  ret ptr @x
}
""",
    "a symbol in no section": "@x = common global [4 x i32] zeroinitializer\n",
}


@pytest.mark.parametrize("reason", UNKNOWN)
def test_what_is_unknown_is_refused(reason: str) -> None:
    with pytest.raises(LinkError, match=reason):
        Image(objects(UNKNOWN[reason]), {})


def test_files_of_another_kind_are_refused() -> None:
    (code,) = objects(CALLS)
    other = bytearray(code)
    other[18] = 183  # 64-bit Arm
    for damaged in (b"", b"text" * 100, bytes(other), code[: len(code) // 2]):
        with pytest.raises(LinkError):
            Image([damaged], {})


def test_llvm_loads_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    linked = engine.Engine(CALLS)

    def refuse(codes: Sequence[bytes], known: object) -> None:
        raise LinkError("a test")

    monkeypatch.setattr(linking, "Image", refuse)
    loaded = engine.Engine(CALLS)
    assert results(loaded.address("f")) == results(linked.address("f"))
