// Package sink says where the results of a run go: into memory for tests and small jobs, or into the folder of a run in a
// bucket, from which they are read back through its manifest.
package sink
