#!/bin/bash
# The command line tools that the stack uses, by the name they are called by.
case "$(basename "$0" .sh)" in
  kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
  *) echo "$0: not part of this stand-in" >&2; exit 1 ;;
esac
exec java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '/opt/kafka/libs/*' "$class" "$@"
