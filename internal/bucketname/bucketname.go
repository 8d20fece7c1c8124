// Package bucketname finds the name of a bucket for error texts. A *blob.Bucket does not tell it,
// and the errors of some clouds do not either.
package bucketname

import (
	"reflect"

	"gocloud.dev/blob"
)

// Of returns the name of a cloud's bucket, or the path of a folder; empty if it cannot be found, as
// for a bucket in memory. It looks at unexported fields of gocloud's drivers, so nothing but texts
// may depend on it.
func Of(bucket *blob.Bucket) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
	driver := reflect.ValueOf(bucket).Elem().FieldByName("b")
	for range maxWrappers {
		for driver.Kind() == reflect.Interface || driver.Kind() == reflect.Pointer {
			driver = driver.Elem()
		}
		for _, field := range []string{"name", "dir"} {
			if f := driver.FieldByName(field); f.Kind() == reflect.String {
				return f.String()
			}
		}
		driver = driver.FieldByName("base") // blob.PrefixedBucket
	}
	return ""
}

// maxWrappers bounds the number of prefixed buckets around a driver.
const maxWrappers = 8
