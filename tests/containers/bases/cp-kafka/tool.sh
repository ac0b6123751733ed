#!/bin/bash
exec java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '/usr/share/java/kafka/*' \
  kafka.admin.BrokerApiVersionsCommand "$@"
