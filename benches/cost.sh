#!/usr/bin/env bash
# What tracelift costs those who build it: processor seconds of a clean release build against Cranelift's own, of a
# rebuild after touching a layer, packages, and the size of a small program. Needs GNU time and about ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
export CARGO_TARGET_DIR=$target CARGO_TERM_COLOR=never

# Processor seconds (user and system, all threads and children) that a command takes.
cpu() {
  local before after
  before=$(awk '{ print $16 + $17 }' /proc/$$/stat)
  "$@" >/dev/null 2>&1
  after=$(awk '{ print $16 + $17 }' /proc/$$/stat)
  awk -v a="$before" -v b="$after" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.1f", (b - a) / hz }'
}

packages=$(cargo tree -p tracelift -e normal --prefix none --no-dedupe --locked | sort -u | wc -l)
cranelift=$(cpu cargo build --release --locked -p cranelift-codegen -p cranelift-frontend -p cranelift-jit -p cranelift-module -p cranelift-native)
rest=$(cpu cargo build --release --locked -p tracelift)
touch crates/nn/src/layers/dense.rs
layer=$(cpu cargo build --release --locked -p tracelift)
cargo build --release --locked --example cube >/dev/null 2>&1
cp "$target/release/examples/cube" "$target/cube"
strip "$target/cube"
bytes=$(stat -c %s "$target/cube")

total=$(awk -v a="$cranelift" -v b="$rest" 'BEGIN { printf "%.1f", a + b }')
printf '| what | measured | budget |\n|---|---|---|\n'
printf '| packages of the façade | %s | 100 |\n' "$packages"
printf '| clean release build, CPU s | %s (Cranelift alone: %s) | Cranelift + 120 |\n' "$total" "$cranelift"
printf '| rebuild after touching a layer, CPU s | %s | 3 |\n' "$layer"
printf '| `cube` example, stripped, MB | %s | 8 |\n' "$(awk -v b="$bytes" 'BEGIN { printf "%.1f", b / 1e6 }')"
