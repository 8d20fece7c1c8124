// Package e2e tests whole jobs on real stores: memblob, fileblob, an S3 server in this process,
// and versitygw, a real S3 server that the tests install and start. Faults are injected into the
// bucket and into the network.
package e2e
