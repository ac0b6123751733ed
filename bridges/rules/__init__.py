"""Rules over recorded readings: files of rules, the run over a source, the drawing."""
