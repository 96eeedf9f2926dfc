# Keeps the journal of a roll; needs put.
# Composed by ops.run.journal.

journal_write() {  # TEXT PATH SHA256: on the disk before anything that follows from it is done
  printf '%s\n' "$1" | put "$2" 600 "$3"
  sync -- "$2" "${2%/*}" 2> /dev/null || sync
}
journal_read() {  # PATH: the text, or nothing where no roll is unfinished
  [ ! -f "$1" ] || cat -- "$1"
}
journal_forget() {  # PATH
  rm -f -- "$1" "$1.kafab-new"
}
