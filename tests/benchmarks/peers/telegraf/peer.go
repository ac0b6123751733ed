//go:build never

// Package peer names the program that the benchmark builds, so that go.mod and go.sum pin it.
package peer

import _ "github.com/influxdata/telegraf/cmd/telegraf"
