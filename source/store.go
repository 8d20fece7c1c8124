package source

import "gocloud.dev/blob"

// StoreFeatures are the abilities of one kind of store beyond the portable API of gocloud.dev/blob.
// The packages below source/cloud have a value for each cloud. The zero value is right for every
// store, and uses the portable API only.
//
// A parameter named as is the function that gocloud passes to BeforeList or BeforeRead.
type StoreFeatures struct {
	// ETag returns the ETag of an object in a listing. nil: listings have none.
	ETag func(*blob.ListObject) string
	// CurrentETag is ETag for the attributes of an object. nil: the ETag that they have.
	CurrentETag func(*blob.Attributes) string
	// StoredKey returns the key that the store has for an object in a listing, with the prefix of a
	// prefixed bucket: gocloud's drivers escape some characters, so that the store sorts keys
	// otherwise. nil: not known; then StartAfter must not be later than key in any form.
	StoredKey func(*blob.ListObject) string
	// StartAfter changes a request for the first page of the keys under prefix, as the bucket names
	// them, so that the page starts after key; it may contain key itself. With StoredKey, key is
	// that of the store without the prefix of the bucket. Listing in parallel needs it. key is
	// empty for a request that starts at the first key, or that has a token. StartAfter may also
	// make the request fail if its answer is no listing. It returns false if the request
	// belongs to another store.
	StartAfter func(as func(any) bool, prefix, key string) bool
	// IfMatch changes a read so that it fails unless the object still has that ETag. It returns
	// false if the request belongs to another store.
	IfMatch func(as func(any) bool, etag string) bool
	// Answer returns what the store has answered to a read, beyond what gocloud tells; as is the
	// method As of the blob.Reader. It returns false if the answer is of another store. nil: a
	// store that ignores a range, or a condition, is found out later, or not at all.
	Answer func(as func(any) bool) (ReadAnswer, bool)
}

// ReadAnswer is the answer of a store to a read.
type ReadAnswer struct {
	Begin    int64  // offset in the object of the first byte that comes
	Size     int64  // of the object in bytes; -1: the answer does not say
	Encoding string // Content-Encoding of the object, which the store may have undone; empty: none
	Decoded  bool   // the bytes that come are known to be others than the stored ones
	ETag     string // of the object; empty: the answer does not say
}
