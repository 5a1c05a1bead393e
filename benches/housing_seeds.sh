#!/bin/sh
# Trains the housing model from eight seeds, and prints pass or fail for each part of the rule by which a training
# counts as Keras's: every run inside the recorded range widened by half of it on both sides, and the mean of the runs
# within three standard errors of the recorded mean. Exit status 1 if a part fails.
#
#     benches/housing_seeds.sh [more options of the housing example, such as --threads 1]
set -eu
cd "$(dirname "$0")/.."
cargo build --release --quiet --example housing
runs=$(for seed in 0 1 2 3 4 5 6 7; do ./target/release/examples/housing --json --seed "$seed" "$@" | tail -n 1; done)
printf '%s\n' "$runs"
printf '%s\n' "$runs" | python3 -c '
import json, math, sys

runs = [json.loads(line) for line in sys.stdin]
entries = json.load(open("tests/golden/training_ranges.json"))["entries"]
recorded = next(entry for entry in entries if entry["id"] == "base_mse")["results"]
failed = 0

def report(passed, what):
    global failed
    failed += not passed
    print(("pass" if passed else "FAIL") + "  " + what)

for name in ["val_mse_inliers", "val_mae"]:
    known, own = recorded[name], [run[name] for run in runs]
    half = 0.5 * (known["max"] - known["min"])
    low, high = known["min"] - half, known["max"] + half
    inside = all(low <= value <= high for value in own)
    report(inside, f"{name}: {min(own):.4f} to {max(own):.4f}, allowed {low:.4f} to {high:.4f}")
for name in ["val_mse_inliers", "val_mae", "loss"]:
    known, own = recorded[name], [run[name] for run in runs]
    mean = sum(own) / len(own)
    variance = sum((value - mean) ** 2 for value in own) / (len(own) - 1)
    allowed = 3 * math.sqrt(known["std"] ** 2 / 10 + variance / len(own))
    off = abs(mean - known["mean"])
    middle = known["mean"]
    report(off <= allowed, f"mean {name}: {mean:.4f}, recorded {middle:.4f}, off by {off:.4f} of {allowed:.4f}")
sys.exit(failed > 0)
'
