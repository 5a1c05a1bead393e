#!/usr/bin/env bash
# What the library costs its users: processor seconds of a release build from nothing and what Cranelift takes of it,
# of a rebuild after a layer was touched, and the size of a small program. Prints the README's table.
#
#   benches/cost.sh            # in a target folder of its own, which is removed afterwards; about ten minutes
set -euo pipefail
cd "$(dirname "$0")/.."
CARGO_TARGET_DIR=$(mktemp -d)
export CARGO_TARGET_DIR CARGO_TERM_COLOR=never
trap 'rm -rf "$CARGO_TARGET_DIR"' EXIT
TIMEFORMAT='%U %S'

# Processor seconds, user and system, of a command.
cpu() {
  { time "$@" >"$CARGO_TARGET_DIR/log" 2>&1 || { cat "$CARGO_TARGET_DIR/log" >&2; exit 1; }; } 2>&1 | awk '{ printf "%.1f", $1 + $2 }'
}

sum() { awk "BEGIN { printf \"%.1f\", $1 + $2 }"; }

cargo fetch --locked >/dev/null 2>&1
mkdir -p "$CARGO_TARGET_DIR"
cranelift=$(cpu cargo build --release --locked -p cranelift-jit -p cranelift-frontend -p cranelift-native)
rest=$(cpu cargo build --release --locked -p tracelift)
total=$(sum "$cranelift" "$rest")
touch crates/nn/src/layers/dense.rs
layer=$(cpu cargo build --release --locked -p tracelift)
# An example brings the dependencies of tests, with which much is compiled again.
cpu cargo build --release --locked --example cube >/dev/null
cp "$CARGO_TARGET_DIR/release/examples/cube" "$CARGO_TARGET_DIR/cube"
strip "$CARGO_TARGET_DIR/cube"
bytes=$(stat -c %s "$CARGO_TARGET_DIR/cube")
packages=$(cargo tree -p tracelift -e normal --prefix none --no-dedupe --locked | sort -u | wc -l)

cat <<TABLE
| what | cost | limit |
|---|---|---|
| packages, default features | $packages | 100 |
| release build from nothing | $total processor seconds | Cranelift + 120 |
| of these, Cranelift and what it needs | $cranelift | |
| rebuild after touching a layer | $layer processor seconds | 3 |
| the \`cube\` example, stripped | $(awk "BEGIN { printf \"%.1f\", $bytes / 1e6 }") MB | 8 MB |
TABLE
