package s3

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/go-dmap/dmap/source"
)

// answer tells what S3 has answered to a read. An answer without Content-Range is one to a request
// without a range, or the store has ignored the range.
func answer(as func(any) bool) (source.ReadAnswer, bool) {
	var out s3.GetObjectOutput
	if !as(&out) {
		return source.ReadAnswer{}, false
	}
	a := source.ReadAnswer{Size: -1, ETag: aws.ToString(out.ETag), Encoding: aws.ToString(out.ContentEncoding)}
	if out.ContentRange == nil {
		if out.ContentLength != nil {
			a.Size = *out.ContentLength
		}
		return a, true
	}
	begin, size, ok := contentRange(*out.ContentRange)
	a.Begin, a.Size = begin, size
	return a, ok
}

// contentRange parses a header such as "bytes 5-9/27". The size is -1 for a star in its place.
func contentRange(header string) (begin, size int64, ok bool) {
	header, ok = strings.CutPrefix(strings.TrimSpace(header), "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, total, ok := strings.Cut(header, "/")
	if !ok {
		return 0, 0, false
	}
	first, _, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, false
	}
	begin, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	if err != nil || begin < 0 {
		return 0, 0, false
	}
	if total = strings.TrimSpace(total); total == "*" {
		return begin, -1, true
	}
	size, err = strconv.ParseInt(total, 10, 64)
	return begin, size, err == nil && size > begin
}

// quoted returns an ETag as a condition needs it: some listings have it without quotes.
func quoted(etag string) string {
	if strings.HasSuffix(etag, `"`) {
		return etag
	}
	return `"` + etag + `"`
}
