# Makes numbered calls, and says of each how it came out.
# Composed by shell.frame.

run() {  # NUMBER FUNCTION WORD...: a plain assignment keeps `set -e` at work inside; none runs after one that failed
  number=$1
  shift
  set +e
  said=$(set -e; "$@" 2>&1)
  code=$?
  set -e
  printf 'step %s %s\n' "$number" "$code"
  [ "$code" -eq 0 ] || { printf '%s\n' "$said"; exit 0; }
}
