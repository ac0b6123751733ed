"""Account for every reading of a finite scenario, from Kafka and MongoDB themselves."""
