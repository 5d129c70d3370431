#!/usr/bin/env bash
# An agent that is a shell script: every step is one command, and the token says whose claim it is.
#
#     bash examples/07_shell_agent.sh
set -euo pipefail

project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cd "$project"
export MDCOORD_AGENT=shell-agent

mdcoord init >/dev/null
mdcoord task create "Count the words" --id count --priority 5 >/dev/null
mdcoord task create "Tidy up" --id tidy >/dev/null

# `task claim` takes the best task that is ready; with --json it prints one object. Its exit code 5 says: nothing to do.
code=0
while task=$(mdcoord task claim --json 2>/dev/null) || { code=$?; false; }; do
    id=$(jq -r ._id <<<"$task")
    title=$(jq -r .title <<<"$task")
    # Every later command of this claim passes the token. It is refused (exit code 4) once somebody else has the task.
    MDCOORD_TOKEN=$(jq -r ._claim.token <<<"$task")
    export MDCOORD_TOKEN

    mdcoord task progress "$id" 0.5 >/dev/null
    mdcoord event publish work words_counted task="$id" words="$(wc -w <<<"$title")" >/dev/null
    mdcoord task complete "$id" >/dev/null
    echo "done: $title"
    unset MDCOORD_TOKEN
done
[ "$code" = 5 ] || exit "$code"
echo "nothing left"

mdcoord query task "status = 'completed'" --select _id,attempt --json

# It prints:
#   done: Count the words
#   done: Tidy up
#   nothing left
#   {"_id": "count", "attempt": 1}
#   {"_id": "tidy", "attempt": 1}
