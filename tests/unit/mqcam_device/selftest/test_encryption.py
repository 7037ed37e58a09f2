from __future__ import annotations

from mqcam_device.selftest.encryption import measure_ciphers_us


def test_both_ciphers_take_a_moment() -> None:
    found = measure_ciphers_us()
    assert set(found) == {"SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"}
    assert all(0 < took_us < 1000 for took_us in found.values())
