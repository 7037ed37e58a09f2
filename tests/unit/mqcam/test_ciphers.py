from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.ciphers import COUNTER, GCM, has_aes, offered_ciphers

PC = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu vme pclmulqdq sse4_2 popcnt aes xsave avx
bugs\t\t: sysret_ss_attrs
"""
PI_5 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics
CPU implementer\t: 0x41
"""
PI_4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
"""
PI_4_32_BIT = """processor\t: 0
model name\t: ARMv7 Processor rev 3 (v7l)
Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt crc32
"""


@pytest.mark.parametrize("text", [PC, PI_5], ids=["PC", "Pi 5"])
def test_gcm_comes_first_where_the_processor_has_instructions_for_it(text: str) -> None:
    assert offered_ciphers(text) == (GCM, COUNTER)


@pytest.mark.parametrize("text", [PI_4, PI_4_32_BIT, ""], ids=["Pi 4", "32 bit", "no Linux"])
def test_only_the_one_that_all_have_is_offered_elsewhere(text: str) -> None:
    assert offered_ciphers(text) == (COUNTER,)


@pytest.mark.parametrize("word", ["vaes", "aes_lie", "noaes"])
def test_a_flag_that_only_contains_the_word_says_nothing(word: str) -> None:
    assert not has_aes(f"flags\t\t: fpu {word} sse\n")


def test_a_processor_that_is_only_named_aes_has_no_instructions() -> None:
    assert not has_aes("model name\t: aes\nflags\t: fpu\n")


@given(st.text())
def test_the_mandatory_cipher_is_always_offered(text: str) -> None:
    assert COUNTER in offered_ciphers(text)
