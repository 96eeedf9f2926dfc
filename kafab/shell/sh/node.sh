# What the scripts about nodes' processes share: the run record, and the words of an answer; needs plain.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

closed() {  # RUN: a run record that we may not read must not look absent
  [ ! -e "$1" ] || { [ -r "$1" ] && [ -x "$1" ]; } || return 0
  [ -e "$1/process" ] && [ ! -r "$1/process" ]
}
recorded() {  # RUN: read the run record; "asked" is set where kafab has asked the process to stop
  plain "$1/process" && [ -r "$1/process" ] && own "$1" && read -r pid start release digest asked < "$1/process"
}
say() { printf '%s %s %s\n' "$node" "$1" "${2-}"; }
without_frames() {  # LINES: the last ones on stdin, of a stack trace those that name an exception
  grep -v -E '^[[:space:]]+(at [^ ]|\.\.\. [0-9]+ (more|common))' | tail -n "$1" | quoted
}
quoted() { while IFS= read -r line; do printf '| %s\n' "$line"; done; }
