# Formats the data directories of a KRaft node; needs plain and settled.
# Composed by compiler.

format() {  # ID FOLDER... -- JAVA RELEASE WORD...: nothing is done where no folder is bare
  bare "$@" || return 0
  while [ "$1" != -- ]; do shift; done
  shift
  storage "$@"
}
bare() {  # ID FOLDER... --: whether one has no meta.properties yet
  id=$1
  shift
  # The lock is inherited by the tool, and held for as long as it works, whatever becomes of us.
  settled "$1" -x 60
  bare=1
  for path do
    [ "$path" != -- ] || break
    [ -e "$path/meta.properties" ] || [ -L "$path/meta.properties" ] || { bare=0; continue; }
    plain "$path/meta.properties" || { echo "$path/meta.properties is a link or no file"; exit 1; }
    grep -qxF "cluster.id=$id" "$path/meta.properties" ||
      { echo "$path was formatted for another cluster id in the meantime"; exit 1; }
  done
  return "$bare"
}
storage() {  # JAVA RELEASE WORDS...: one short JVM; a folder that has a meta.properties is left as it is
  java=$1 release=$2
  shift 2
  # Log4j's own start would take a quarter of the time, for a tool that prints what it does.
  set -- "$java" -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -Xms64m -Xmn48m -Xmx256m \
    -Dlog4j2.disable.jmx=true \
    -Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory \
    -cp "$release/libs/*" kafka.tools.StorageTool format "$@"
  cd /
  "$@"
}
