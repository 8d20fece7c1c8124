package source

import "gocloud.dev/blob"

// Store is what one kind of store can do beyond the portable API of gocloud.dev/blob. The packages below source/cloud have
// one for each cloud; the zero Store, for folders, memory and everything else, does without.
//
// Where a function takes as, that is what gocloud gives to BeforeList or BeforeRead.
type Store struct {
	// ETag gets the ETag out of what a listing says of an object. nil: none.
	ETag func(*blob.ListObject) string
	// StartAfter makes a request for the first page of the keys under prefix, as the bucket knows them, leave out those
	// before key; key itself may come. It is what listing in parallel takes. It is false if the request is of another store.
	StartAfter func(as func(any) bool, prefix, key string) bool
	// IfMatch makes a read fail unless the object still has that ETag. It is false if the request is of another store.
	IfMatch func(as func(any) bool, etag string) bool
}
