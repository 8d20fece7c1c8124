// Package dmaptemporal runs one map on many machines, coordinated by a Temporal workflow.
//
// The workflow decides nothing by itself: it passes events and times to the state machine of
// internal/coord, and starts an activity for each of its tasks. The state of the workflow is that
// of the state machine, so that it continues as new with it.
package dmaptemporal
