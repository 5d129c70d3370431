#!/usr/bin/env bash
# A pool of workers that are ordinary commands: they read the task, report on stdout, and their exit code is the verdict.
#
#     bash examples/11_worker.sh
set -euo pipefail

project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cd "$project"
mdcoord init >/dev/null

for n in 1 2 3 4; do
    mdcoord task create "Shard $n" --id "shard-$n" --set size=$((n * 100)) --needs words >/dev/null
done
mdcoord task create "Add up" --id total --depends-on shard-1,shard-2,shard-3,shard-4 >/dev/null

# What is done for a task. It is told the task as JSON on stdin, and who it acts for in its environment.
cat >count.sh <<'END'
size=$(jq .size)
if [ "$MDCOORD_TASK_ID" = total ]; then
    sum=0
    for n in 1 2 3 4; do sum=$((sum + $(mdcoord task show shard-$n --json | jq .result.words))); done
    echo "::result {\"words\": $sum}"
else
    echo "::progress $((size / 2))/$size"
    # The first attempt at the third shard goes wrong: the task comes back, and the next attempt does it.
    [ "$MDCOORD_TASK_ID-$MDCOORD_ATTEMPT" != shard-3-1 ] || { echo "no space left on device" >&2; exit 1; }
    echo "::result {\"words\": $((size * 7))}"
fi
END

# Two workers share the tasks and end when there was nothing to do for a while.
export MDCOORD_BACKOFF_BASE=0s
mdcoord work --agent ada --can words --jobs 2 --idle 1s --json -- sh count.sh >ada.log 2>/dev/null &
mdcoord work --agent bo --can words --idle 1s --json -- sh count.sh >bo.log 2>/dev/null &
wait

echo "each task was completed once, one after a failure:"
cat ada.log bo.log | jq -r 'select(.outcome == "completed") | "\(._id) at attempt \(.attempt)"' | sort
cat ada.log bo.log | jq -r 'select(.outcome == "failed") | "\(._id) failed: \(.error | gsub("\n"; ": "))"'
mdcoord task show total --json | jq -c .result

# It prints:
#   each task was completed once, one after a failure:
#   shard-1 at attempt 1
#   shard-2 at attempt 1
#   shard-3 at attempt 2
#   shard-4 at attempt 1
#   total at attempt 1
#   shard-3 failed: exit code 1: no space left on device
#   {"words":7000}
