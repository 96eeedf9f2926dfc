# Whether a deploy has made a folder root's own.
# Composed by observation and supervisor.

ready() { [ "$(stat -c %a -- "$1" 2>/dev/null)" = 755 ]; }  # a folder that a deploy has made root's own, to its end
