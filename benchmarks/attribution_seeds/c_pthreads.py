"""open_decoder() has libdecoder start pthreads that it never ends; resample() has libresample start more, and ends them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import telemetry
from benchmarks.attribution_seeds.compiled import compile_library
from benchmarks.attribution_seeds.plan import Plan, from_command_line

if TYPE_CHECKING:
    import ctypes

DECODER = """
#include <pthread.h>
#include <unistd.h>
static void *decode(void *unused) { for (;;) pause(); return unused; }
int decoder_open(int threads) {
    pthread_t thread;
    int started = 0;
    for (int i = 0; i < threads; i++) started += pthread_create(&thread, 0, decode, 0) == 0;
    return started;
}
"""
RESAMPLE = """
#include <pthread.h>
#include <stdlib.h>
static void *resample(void *unused) {
    double *wave = malloc(1 << 20), sum = 0;
    for (int turn = 0; turn < 20; turn++)
        for (int i = 0; i < 1 << 17; i++) sum += wave[i] = sum * 0.5 + i;
    free(wave);
    return unused;
}
void resample_all(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, resample, 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
}
"""


def open_decoder(library: ctypes.CDLL, threads: int) -> None:
    if library.decoder_open(threads) != threads:
        raise RuntimeError("the decoder has too few threads")


def resample(plan: Plan, library: ctypes.CDLL) -> None:
    for _ in plan.rounds():
        library.resample_all()


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(400_000)))


def main() -> None:
    plan = from_command_line()
    decoder, resampler = (
        compile_library("decoder", DECODER),
        compile_library("resample", RESAMPLE),
    )
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(train_epoch, plan),
                partial(open_decoder, decoder, plan.amount(5)),
                partial(resample, plan, resampler),
            ):
                stage()
            telemetry.checkpoint("SOUND READY")
            train_epoch(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
