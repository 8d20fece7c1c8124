package source_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"gocloud.dev/blob/fileblob"

	"github.com/go-dmap/dmap/source"
)

// BenchmarkSmallRead is the time to read an object of 4 KiB in a folder.
func BenchmarkSmallRead(b *testing.B) {
	const files = 1000
	dir := b.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), bytes.Repeat([]byte("x"), 4<<10), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		b.Fatal(err)
	}
	defer bucket.Close()
	objects := make([]source.Object, 0, files)
	for item, err := range source.Objects(bucket, "").Items(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		objects = append(objects, item.Value)
	}
	each := func(name string, read func(o source.Object) (int, error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if n, err := read(objects[i%files]); err != nil || n != 4<<10 {
					b.Fatal(n, err)
				}
			}
		})
	}
	each("os.ReadFile", func(o source.Object) (int, error) {
		data, err := os.ReadFile(filepath.Join(dir, o.Key))
		return len(data), err
	})
	each("Bucket.ReadAll", func(o source.Object) (int, error) {
		data, err := bucket.ReadAll(b.Context(), o.Key)
		return len(data), err
	})
	each("NewReader", func(o source.Object) (int, error) {
		r, err := bucket.NewReader(b.Context(), o.Key, nil)
		if err != nil {
			return 0, err
		}
		defer r.Close()
		return io.ReadFull(r, make([]byte, r.Size()))
	})
	each("Object.ReadAll", func(o source.Object) (int, error) {
		data, err := o.ReadAll(b.Context())
		return len(data), err
	})
	var buf []byte
	each("Object.ReadInto", func(o source.Object) (n int, err error) {
		buf, err = o.ReadInto(b.Context(), buf)
		return len(buf), err
	})
}
