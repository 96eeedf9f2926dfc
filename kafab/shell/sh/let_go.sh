# How long a script that kafab holds lives.
# Composed by ops.lock and distribution.
# shellcheck disable=SC1007  # the values are empty, as the blank says
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it

let_go() {  # wait until kafab lets go of a script that it holds, or is gone; `last` is the last line that it says
  # A host whose peer has silently gone learns it only when it sends: the beat is for that, nobody reads it.
  ( exec 9>&- < /dev/null 2> /dev/null; while sleep 5 > /dev/null && kill -0 "$$"; do echo; done ) &
  beat=$!
  last= said=
  # Without its end a line is not one that was said.
  while IFS= read -r said; do last=$said; done
  kill "$beat" 2> /dev/null || :
}
