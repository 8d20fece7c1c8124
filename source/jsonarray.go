package source

import (
	"io"

	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/internal/record"
)

// JSONArrayOptions tune JSONArray, as those of the same names tune JSONLines: Decode gets the
// values of the array.
type JSONArrayOptions[T any] = JSONLinesOptions[T]

// JSONArray yields the values of an object that is one JSON array, of any size: no more than one
// value is in memory. A value that does not decode, is too long, or has more than 1,000 arrays and
// objects in each other fails as an item; where the array breaks, or does not end, the object
// breaks off (dmap.BrokenObjectError). The object is one split, and may be compressed: see
// Decompress.
func JSONArray[T any](bucket *blob.Bucket, key string, options ...JSONArrayOptions[T]) dmap.Source[T] {
	object, err := named(bucket, key, originOf(bucket, first(options).StallTimeout, first(options).Store))
	return jsonArray(object, false, err, options)
}

// JSONArrayOf is JSONArray for an object of a listing, which it reads without asking for its
// attributes; see Flatten. The stall timeout is that of the listing.
func JSONArrayOf[T any](object Object, options ...JSONArrayOptions[T]) dmap.Source[T] {
	return jsonArray(object, true, nil, options)
}

func jsonArray[T any](object Object, listed bool, err error, options []JSONArrayOptions[T]) *records[T] {
	return jsonRecords("json array", object, listed, err, options, func(in io.Reader, from, end int64, most int) recordFinder {
		return record.NewArray(in, from, end, most)
	})
}
