# How long a script that kafab holds lives.
# Composed by ops.lock and distribution.

let_go() {  # wait until kafab lets go of a script that it holds, or is gone
  # A host whose peer has silently gone learns it only when it sends: the beat is for that, nobody reads it.
  ( exec 9>&- < /dev/null 2> /dev/null; while sleep 5 > /dev/null && kill -0 "$$"; do echo; done ) &
  beat=$!
  cat > /dev/null 9>&-
  kill "$beat" 2> /dev/null || :
}
