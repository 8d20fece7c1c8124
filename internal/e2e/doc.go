// Package e2e tests whole jobs on real stores: memblob, fileblob, an S3 server in this process,
// and servers that the tests install and start: versitygw, a real S3 server, fake-gcs-server and
// azurite, public emulators of Google Cloud Storage and Azure. Faults are injected into the bucket
// and into the network.
package e2e
