// Package cloud supports features of the large clouds that the portable API of gocloud.dev/blob
// lacks. There is one package for each cloud: s3, gcs and azure. The module is separate, so that
// only programs that import one of them link its SDK.
//
// Each package has two functions. Store describes the features of the store to source.Objects, in
// source.ObjectsOptions. OpenBucket opens a URL like blob.OpenBucket, but with a client that keeps
// one connection for each concurrent call. The default clients keep 10 (S3, Azure) or 2 (GCS) idle
// connections to a host: with 1,000 concurrent calls, most calls open a new connection for each
// object.
//
// The SDKs retry failed requests a few times on their own. dmap.Options.Retry comes on top: it
// retries the calls for which the SDK has given up, so the attempts multiply.
package cloud
