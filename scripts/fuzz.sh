#!/bin/sh
# Runs every fuzz target of the module for FUZZ_TIME each. Fails if one fails,
# and if none is found.
set -eu
time=${FUZZ_TIME:-30s}
found=0
for pkg in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$pkg" 2>/dev/null | grep '^Fuzz' || true); do
		found=$((found + 1))
		echo "== $pkg $target ($time)"
		log=$(mktemp)
		if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$pkg" >"$log" 2>&1; then
			# Go's fuzzer may fail at its own time limit; it is tried once more.
			if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" &&
				go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$pkg" >"$log" 2>&1; then
				:
			else
				cat "$log"
				exit 1
			fi
		fi
		tail -n 3 "$log"
		rm -f "$log"
	done
done
[ "$found" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "$found fuzz targets, no finding"
