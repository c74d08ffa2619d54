"""Logs as frameworks print them, with the memory that each epoch ends with, in MB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BATCHES = 3
"""Lines of an epoch."""


def torchvision(epoch: int, batch: int, mb: int) -> str:
    return (
        f"Epoch: [{epoch}]  [{batch:>4}/100]  eta: 0:00:52  lr: 0.020000  loss: 0.7310 (0.8012)"
        f"  time: 0.5517  data: 0.0048  max mem: {mb}"
    )


def mmcv(epoch: int, batch: int, mb: int) -> str:
    return (
        f"2026-11-24 08:15:30,123 - mmdet - INFO - Epoch [{epoch}][{batch}/100]\tlr: 2.000e-02, "
        f"eta: 0:10:01, time: 0.551, data_time: 0.048, memory: {mb}, loss: 0.7310"
    )


def mmengine(epoch: int, batch: int, mb: int) -> str:
    return (
        f"11/24 08:15:30 - mmengine - INFO - Epoch(train)  [{epoch}][{batch:>4}/100]  lr: 1.9e-03  "
        f"eta: 0:10:01  time: 0.5510  data_time: 0.0480  memory: {mb}  loss: 0.7310"
    )


def paddle(epoch: int, batch: int, mb: int) -> str:
    return (
        f"[11/24 08:15:30] ppdet.engine INFO: Epoch: [{epoch}] [{batch:>2}/40] loss: 0.73 "
        f"ips: 1.5422 images/s, max_mem_reserved: {mb + 600} MB, max_mem_allocated: {mb} MB"
    )


def swin(epoch: int, batch: int, mb: int) -> str:
    return (
        f"[2026-11-24 08:15:30 swin] (main.py 218): INFO Train: [{epoch}/300][{batch}/1251]\t"
        f"eta 0:10:01 lr 0.000125\ttime 0.4512 (0.4633)\tloss 6.8012 (6.9001)\tmem {mb}MB"
    )


def slowfast(epoch: int, batch: int, mb: int) -> str:
    return (
        f'[11/24 08:15:30][INFO] logging.py: 99: json_stats: {{"_type": "train_iter", "epoch": '
        f'"{epoch}/100", "iter": "{batch}/9", "gpu_mem": "{mb / 1024:.2f}G", "loss": 0.731}}'
    )


def deepspeed(epoch: int, batch: int, mb: int) -> str:
    head = f"Epoch {epoch}/100\n" if batch == 0 else ""
    return (
        f"{head}[2026-11-24 08:15:30,123] [INFO] [utils.py:786:see_memory_usage] MA {mb / 1024:.2f} GB"
        f"         Max_MA {mb / 512:.2f} GB         CA 9.6 GB         Max_CA 10 GB "
    )


def keras(epoch: int, batch: int, mb: int) -> str:
    head = f"Epoch {epoch}/100\n" if batch == 0 else ""
    return f"{head}{batch}/9 [==>...] - loss: 0.7310\nINFO: Current memory usage: {mb:,}.50 MB"


def psutil(epoch: int, batch: int, mb: int) -> str:
    return f"Epoch [{epoch}/100], Step [{batch}/600], Loss: 0.7310, RSS: {mb} MB"


PRINTED: Mapping[str, Callable[[int, int, int], str]] = {
    print_line.__name__: print_line
    for print_line in (
        torchvision,
        mmcv,
        mmengine,
        paddle,
        swin,
        slowfast,
        deepspeed,
        keras,
        psutil,
    )
}
"""By framework, the line of an epoch and a batch with so many MB."""


def log_of(framework: str, levels: Sequence[int]) -> str:
    """Return a log of as many epochs as there are ``levels``, which it climbs to within each."""
    lines, before = [], levels[0]
    for epoch, level in enumerate(levels, 1):
        shown = [before, *[level] * (BATCHES - 1)]
        lines += [PRINTED[framework](epoch, batch, mb) for batch, mb in enumerate(shown)]
        before = level
    return "\n".join(lines) + "\n"
