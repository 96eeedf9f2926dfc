# The folder of what is not finished, in the folder of the releases; needs alive.
# Composed by distribution.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2086  # the words are split on purpose

umask 022
incoming_of() {  # ROOT: its folder for what is not finished, without what scripts that have ended left there
  incoming=$1/.incoming
  mkdir -p -- "$incoming"
  read -r stat < "/proc/$$/stat"
  set -- ${stat##*) }
  id=$$.${20}
  for left in "$incoming"/pull.* "$incoming"/unpack.* "$incoming"/shelf.*; do
    [ -d "$left" ] || continue
    of=${left##*/}
    of=${of#*.}
    alive "${of%.*}" "${of#*.}" || rm -rf -- "$left"
  done
}
