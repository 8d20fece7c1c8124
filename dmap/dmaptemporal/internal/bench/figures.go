package main

import (
	"context"
	"time"
)

// figures are those of one round of a program.
type figures struct {
	wall, workers, server time.Duration // of CPU, but for wall
	idle                  time.Duration // of server: without a run it would have used as much
	history               history
	requests              requests
	items                 int
}

// program is one of those that are compared.
type program struct {
	name string
	run  func(ctx context.Context, round int) (figures, error)
}
