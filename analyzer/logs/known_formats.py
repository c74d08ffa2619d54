r"""Numbers that frameworks, tools and schedulers print by themselves: read where a log has no others.

Each row is an expression in the language of ``--pattern``, and a text that stands in every line that it
matches: with it one search tells which logs hold such lines. A row without a value names the place of
those that follow. Each has an example and a line that looks alike and means something else.

The texts have four characters at least; shorter ones slow the search of every log down.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.user_pattern import DEFAULT_UNIT, LinePattern
from analyzer.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.logs.user_pattern import Match


class Kind(enum.StrEnum):
    """What a number says."""

    CURRENT = "current"
    """The use at that moment."""
    PEAK = "running peak"
    """The highest use so far, or since the last such line: bigger batches raise it, nothing lowers it."""
    SUMMARY = "peak of the run"
    """The highest use of a run that is over."""


class KnownFormat(NamedTuple):
    """A row of the table."""

    name: str
    literal: str
    expression: str
    example: str
    benign: str
    unit: str = DEFAULT_UNIT
    kind: Kind = Kind.CURRENT

    @property
    def pattern(self) -> LinePattern:
        """The expression, compiled when it is first asked for."""
        return _pattern(self.expression, self.unit)

    @property
    def resource(self) -> str | None:
        """The name of the resource that it reads; None where it names a place."""
        return next(iter(self.pattern.resources), None)

    @property
    def words(self) -> str:
        """The resource and what is read of it, for a reader."""
        title = RESOURCES[self.resource].title if self.resource else ""
        return title if self.kind == Kind.CURRENT else f"{title}, {self.kind}"

    def matches(self, content: bytes) -> Iterator[tuple[int, int, Match | str]]:
        """Give the matches in ``content``; see `LinePattern.matches`."""
        return self.pattern.matches(content)


@cache
def _pattern(expression: str, unit: str) -> LinePattern:
    # `re`, not RE2, which is optional: these expressions are ours, and none goes back and forth.
    compiled = re.compile(expression.encode(), re.MULTILINE)
    return LinePattern(compiled, compiled.groupindex, unit=unit)


_SIZE = r"(?P<{0}>\d[\d.,]{{0,18}}) ?(?P<{0}_unit>[kKMGT]i?B)\b"
_GPU, _RSS, _TREE = (_SIZE.format(group) for group in ("gpu_memory", "rss", "tree_rss"))

VALUES = (
    KnownFormat(
        name="detectron2's max_mem",
        literal="max_mem: ",
        expression=r"\bmax_mem: (?P<gpu_memory>\d{1,7})M\b",
        kind=Kind.PEAK,
        example="[11/24 08:15:30 d2.utils.events]:  eta: 1:02:03  iter: 1999  total_loss: 0.61  lr: 0.02  max_mem: 3242M",
        benign="config: max_mem: 3242 (per worker)",
    ),
    KnownFormat(
        name="mmcv's memory",
        literal="memory: ",
        expression=r"\bdata_time: [\d.]{1,12},? {1,3}memory: (?P<gpu_memory>\d{1,7})(?![\d.])",
        kind=Kind.PEAK,
        example="Epoch [3][50/100]\tlr: 2.000e-02, eta: 0:10:01, time: 0.551, data_time: 0.048, memory: 3242, loss: 0.7310",
        benign="available memory: 3242, swap: 0",
    ),
    KnownFormat(
        name="torchvision's max mem",
        literal="max mem: ",
        expression=r"\bmax mem: (?P<gpu_memory>\d{1,7})(?![\d.])",
        kind=Kind.PEAK,
        example="Epoch: [3]  [ 10/100]  eta: 0:00:52  lr: 0.020000  loss: 0.7310 (0.8012)  time: 0.5517  data: 0.0048  max mem: 9639",
        benign="the max mem: see the table below",
    ),
    KnownFormat(
        name="Paddle's max_mem_allocated",
        literal="max_mem_allocated: ",
        expression=r"\bmax_mem_allocated: (?P<gpu_memory>\d{1,7}) MB\b",
        kind=Kind.PEAK,
        example="Epoch: [0] [ 20/40] batch_cost: 1.5624 ips: 1.5422 images/s, max_mem_reserved: 6045 MB, max_mem_allocated: 5424 MB",
        benign="max_mem_allocated: None",
    ),
    KnownFormat(
        name="Swin's mem",
        literal="mem ",
        expression=r"\tmem (?P<gpu_memory>\d{1,7})MB\b",
        kind=Kind.PEAK,
        example="INFO Train: [3/300][50/1251]\teta 0:10:01 lr 0.000125\ttime 0.4512 (0.4633)\tloss 6.8012 (6.9001)\tmem 9639MB",
        benign="needs mem 9639MB or more",
    ),
    KnownFormat(
        name="SlowFast's gpu_mem",
        literal="gpu_mem",
        expression=r'"gpu_mem": "(?P<gpu_memory>[\d.]{1,8})G"',
        unit="GB",
        kind=Kind.PEAK,
        example='json_stats: {"_type": "train_iter", "epoch": "3/100", "eta": "0:10:01", "gpu_mem": "12.31G", "loss": 0.731}',
        benign='{"gpu_mem": "unlimited"}',
    ),
    KnownFormat(
        name="torchtitan's memory",
        literal="GiB(",
        expression=r"\bmemory: {1,2}(?P<gpu_memory>[\d.]{1,8})GiB\([\d.]{1,6}%\)",
        unit="GB",
        kind=Kind.PEAK,
        example="step: 10  loss:  7.3101  grad_norm:  1.2012  memory:  9.66GiB(10.17%)  tps: 7,012  mfu: 40.12%",
        benign="free memory 9.66GiB(10.17%)",
    ),
    KnownFormat(
        name="Megatron's max allocated",
        literal="| max allocated: ",
        expression=r"memory \(MB\) \| allocated: [\d.]{1,20} \| max allocated: (?P<gpu_memory>[\d.]{1,20})",
        kind=Kind.PEAK,
        example="[Rank 0] (after 10 iterations) memory (MB) | allocated: 8123.5 | max allocated: 10012.25 | reserved: 10240.0 | max reserved: 10240.0",
        benign="quota | allocated: 3 | max allocated: 10",
    ),
    KnownFormat(
        name="OLMo's Peak GPU Memory",
        literal="Peak GPU Memory (MB)=",
        expression=r"\bPeak GPU Memory \(MB\)=(?P<gpu_memory>[\d.,]{1,12})",
        kind=Kind.PEAK,
        example="    System/Peak GPU Memory (MB)=42,054",
        benign="metric System/Peak GPU Memory (MB)=nan",
    ),
    KnownFormat(
        name="torch's peak memory",
        literal="peak memory ",
        expression=rf"\bpeak memory (?:allocated|consumption): {_GPU}",
        kind=Kind.SUMMARY,
        example="peak memory allocated: 10184 MiB reserved: 10200 MiB",
        benign="the peak memory allocated: unknown",
    ),
    KnownFormat(
        name="Peak VRAM",
        literal="Peak VRAM",
        expression=rf"\bPeak VRAM(?: \w{{1,20}})?: {{1,8}}{_GPU}",
        kind=Kind.PEAK,
        example="Peak VRAM: 96.8 GB",
        benign="Peak VRAM: see nvidia-smi",
    ),
    KnownFormat(
        name="DeepSpeed's MA",
        literal="Max_MA ",
        expression=rf"\bMA {_GPU} +Max_MA ",
        example="[2026-11-24 08:15:30,123] [INFO] [utils.py:786:see_memory_usage] MA 1.2 GB         Max_MA 1.5 GB         CA 1.6 GB         Max_CA 2 GB ",
        benign="columns: MA Max_MA CA Max_CA",
    ),
    KnownFormat(
        name="nvidia-smi's csv",
        literal=" %, ",
        expression=r"^(?:[^%\n]{0,200}, )?\d{1,3} %, (?:\d{1,3} %, )?(?P<gpu_memory>\d{1,7}) MiB\s*$",
        example="2 %, 588 MiB",
        benign="utilization 2 %, 588 MiB of 24 GiB are in use",
    ),
    KnownFormat(
        name="nvidia-smi's table",
        literal="MiB / ",
        expression=r"\| +(?P<gpu_memory>\d{1,7})MiB / +(?P<gpu_memory_limit>\d{1,7})MiB +\|",
        example="|  0%   45C    P8    20W / 300W |    588MiB / 24576MiB |      0%      Default |",
        benign="downloaded 588MiB / 24576MiB",
    ),
    KnownFormat(
        name="mprof's MEM",
        literal="MEM ",
        expression=r"^MEM (?P<rss>\d{1,8}\.\d{1,9}) \d{9,11}\.\d{1,9}\s*$",
        example="MEM 303.1 1754559652.4",
        benign="CMDLINE MEM 303.1 train.py",
    ),
    *(
        KnownFormat(
            name=f"'{literal.strip()}' lines",
            literal=literal,
            expression=rf"(?<![\w./-]){literal}{_RSS}",
            example=f"step 10 loss 0.731 {literal}1234.5 MB",
            benign=f"oom-kill: anon-{literal}1234 kB, {literal}unknown",
        )
        for literal in ("RSS: ", "RSS=", "rss: ", "rss=")
    ),
    KnownFormat(
        name="Memory usage lines",
        literal="emory usage: ",
        expression=rf"(?:^|[\]|:,-] |(?i:current|process) )[Mm]emory usage: {_RSS}(?! ?/)",
        example="INFO: Current memory usage: 1,222.50 MB",
        benign="GPU memory usage: 1222 MB",
    ),
    KnownFormat(
        name="mem= lines",
        literal="mem=",
        expression=r"(?:^|(?<!-l)[\s(|])mem=(?P<rss>\d[\d.]{0,9})(?P<rss_unit>[MG]i?B)\b",
        example="[train] epoch done, mem=77.7GB",
        benign="qsub -l mem=77GB --mem=77GB TRES=cpu=8,mem=16GB rusage[mem=8GB]",
    ),
    KnownFormat(
        name="HTCondor's ResidentSetSize",
        literal="ResidentSetSize of job (KB)",
        expression=r"^\s*(?P<tree_rss>\d{1,15})  -  ResidentSetSize of job \(KB\)",
        unit="KB",
        kind=Kind.PEAK,
        example="\t2445988  -  ResidentSetSize of job (KB)",
        benign="the ResidentSetSize of job (KB) is not set",
    ),
    KnownFormat(
        name="HTCondor's MemoryUsage",
        literal="MemoryUsage of job (MB)",
        expression=r"^\s*(?P<tree_rss>\d{1,12})  -  MemoryUsage of job \(MB\)",
        kind=Kind.PEAK,
        example="\t2389  -  MemoryUsage of job (MB)",
        benign="the MemoryUsage of job (MB) is not set",
    ),
    KnownFormat(
        name="LSF's Max Memory",
        literal="Max Memory :",
        expression=rf"^\s*Max Memory : +{_TREE}",
        kind=Kind.SUMMARY,
        example="    Max Memory :                                 1184 MB",
        benign="    Max Memory :                                 -",
    ),
    KnownFormat(
        name="LSF's Max Threads",
        literal="Max Threads :",
        expression=r"^\s*Max Threads : +(?P<tree_threads>\d{1,9})\s*$",
        kind=Kind.SUMMARY,
        example="    Max Threads :                                23",
        benign="    Max Threads :                                -",
    ),
    KnownFormat(
        name="Slurm's Memory Utilized",
        literal="Memory Utilized: ",
        expression=rf"^Memory Utilized: {_TREE}",
        kind=Kind.SUMMARY,
        example="Memory Utilized: 2.68 GB",
        benign="Memory Utilized: unknown",
    ),
    KnownFormat(
        name="time's Maximum resident set size",
        literal="Maximum resident set size (kbytes): ",
        expression=r"Maximum resident set size \(kbytes\): (?P<rss>\d{1,15})\s*$",
        unit="KB",
        kind=Kind.SUMMARY,
        example="\tMaximum resident set size (kbytes): 2445988",
        benign="Maximum resident set size (kbytes): n/a",
    ),
)
PLACES = (
    KnownFormat(
        name="Keras's Epoch",
        literal="Epoch ",
        expression=r"^Epoch (?P<epoch>\d{1,7})(?:/\d{1,7}\s*$|: )",
        example="Epoch 3/10",
        benign="Epoch 3/10 was the best one",
    ),
    KnownFormat(
        name="torchvision's Epoch",
        literal="poch: [",
        expression=r"\b[Ee]poch: \[(?P<epoch>\d{1,7})(?:/\d{1,7})?\]",
        example="Epoch: [3]  [ 10/100]  eta: 0:00:52",
        benign="best epoch: [not known]",
    ),
    KnownFormat(
        name="mmcv's Epoch",
        literal="Epoch [",
        expression=r"\bEpoch \[(?P<epoch>\d{1,7})(?:/\d{1,7})?\]",
        example="Epoch [3][50/100]\tlr: 2.000e-02",
        benign="Epoch [all] done",
    ),
    KnownFormat(
        name="mmengine's Epoch",
        literal="Epoch(",
        expression=r"\bEpoch\((?:train|val)\) +\[(?P<epoch>\d{1,7})\]",
        example="Epoch(train)  [3][  50/7330]  lr: 1.9e-03",
        benign="Epoch(3) of the clock",
    ),
    KnownFormat(
        name="Swin's Train",
        literal="Train: [",
        expression=r"\bTrain: \[(?P<epoch>\d{1,7})/\d{1,7}\]\[",
        example="INFO Train: [3/300][50/1251]\teta 0:10:01",
        benign="Train: [3/300]",
    ),
    KnownFormat(
        name="SlowFast's epoch",
        literal="json_stats",
        expression=r'json_stats: [^\n]{0,200}?"(?:cur_)?epoch": "(?P<epoch>\d{1,7})(?:/\d{1,7})?"',
        example='json_stats: {"_type": "train_iter", "epoch": "3/100", "eta": "0:10:01"}',
        benign='json_stats: {"_type": "test_final", "top1": "70.1"}',
    ),
    KnownFormat(
        name="OLMo's epoch",
        literal=",epoch=",
        expression=r"\[step=\d{1,12}(?:/\d{1,12})?,epoch=(?P<epoch>\d{1,7})",
        example="[2026-11-24 08:15:30] INFO     [olmo.train:816, rank=0] [step=10/477000,epoch=0]",
        benign="run --args=a,epoch=3",
    ),
)
BY_NAME: Mapping[str, KnownFormat] = {row.name: row for row in VALUES}
VALUE_LITERALS = frozenset(row.literal.encode() for row in VALUES)
FORMAT_LITERALS = tuple(dict.fromkeys(row.literal.encode() for row in (*VALUES, *PLACES)))
"""What every log is searched for."""
