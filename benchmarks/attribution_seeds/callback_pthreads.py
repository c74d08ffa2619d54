"""libwalk calls on_row(), which opens codecs, and an lru_cache keeps them with their pthreads; mix_audio() joins its own."""

from __future__ import annotations

import ctypes
from functools import lru_cache, partial

import telemetry
from benchmarks.attribution_seeds.compiled import compile_library
from benchmarks.attribution_seeds.plan import Plan, from_command_line

CODEC = """
#include <pthread.h>
#include <unistd.h>
static void *encode(void *unused) { for (;;) pause(); return unused; }
int codec_new(void) { pthread_t thread; return pthread_create(&thread, 0, encode, 0); }
"""
WALK = """
double walk(int rows, int (*visit)(int)) {
    volatile double sum = 0;
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < 10000000; column++) sum += column;
        sum += visit(row);
    }
    return sum;
}
"""
MIXER = """
#include <pthread.h>
#include <stdlib.h>
static void *mix(void *unused) {
    volatile double *wave = malloc(1 << 19);
    for (int turn = 0; turn < 15; turn++)
        for (int i = 0; i < 1 << 16; i++) wave[i] = i * 0.5;
    free((void *)wave);
    return unused;
}
void mixer_run(void) {
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) pthread_create(&threads[i], 0, mix, 0);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], 0);
}
"""
VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


@lru_cache(maxsize=None)  # noqa: UP033 - as it is mostly written
def open_codec(codec: ctypes.CDLL, name: str) -> str:
    if codec.codec_new():
        raise RuntimeError(f"no thread for {name}")
    return name.upper()


def on_row(codec: ctypes.CDLL, number: int, row: int) -> int:
    return len(open_codec(codec, f"fold {number} row {row}"))


def scan_rows(walker: ctypes.CDLL, codec: ctypes.CDLL, number: int, rows: int) -> None:
    visit = VISIT(partial(on_row, codec, number))
    walker.walk(rows, visit)
    walker.walk(rows, visit)


def mix_audio(plan: Plan, mixer: ctypes.CDLL) -> None:
    for _ in plan.rounds():
        mixer.mixer_run()


def train_epoch(plan: Plan) -> float:
    return sum(sorted(plan.chance.random() for _ in range(200_000)))


def main() -> None:
    plan = from_command_line()
    codec, walker = compile_library("codec", CODEC), compile_library("walk", WALK)
    mixer = compile_library("mixer", MIXER)
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(scan_rows, walker, codec, number, plan.amount(6)),
                partial(mix_audio, plan, mixer),
                partial(train_epoch, plan),
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            train_epoch(plan)
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
