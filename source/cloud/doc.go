// Package cloud holds what source.Objects can do on the large clouds beyond the portable API of gocloud.dev/blob, one
// package for each: s3, gcs and azure. It is a module of its own, so that only those who import one link its SDK.
//
// Each has Store, for source.ObjectsOptions, and OpenBucket, which opens a URL as blob.OpenBucket does but with a client that
// keeps a connection for each call. The clients that a URL gets otherwise keep 10 (S3, Azure) or 2 (GCS) idle connections to
// a host: of 1,000 calls at once most open a new one for each object.
//
// Retries stay those of the SDKs: each asks a few times on its own when the network or the store fails. dmap.Options.Retry
// comes on top, and attempts multiply: it is for what the SDK has given up.
package cloud
