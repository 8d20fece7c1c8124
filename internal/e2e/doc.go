// Package e2e tests the whole job against real parts: memblob, fileblob, an S3 server in this process and a real one,
// versitygw, which the tests install and start by themselves; with faults in the bucket and on the wire between.
package e2e
