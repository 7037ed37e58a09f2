from __future__ import annotations


def fd_reader(fd: int) -> None:
    raise NotImplementedError
