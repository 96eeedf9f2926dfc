# Tells what is there and closed to us.
# Composed by observation, for the login user and for the service account.

readable() {  # what is there and closed to us must not look absent
  for path do
    [ ! -e "$path" ] || [ -r "$path" ] || echo "unreadable $path"
    [ ! -d "$path" ] || [ -x "$path" ] || echo "unreadable $path"
  done
}
