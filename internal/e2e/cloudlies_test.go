package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/azure"
	"github.com/go-dmap/dmap/source/cloud/gcs"
)

func status(n int, headers ...string) func(*reply) {
	return func(a *reply) {
		a.status, a.body = n, []byte("bent")
		for i := 0; i < len(headers); i += 2 {
			a.header.Set(headers[i], headers[i+1])
		}
	}
}

func cloudReads(r *http.Request) bool {
	return r.Method == http.MethodGet && !lists(r) && !strings.HasPrefix(r.URL.Path, "/storage/v1/")
}

func ranged(r *http.Request) bool {
	return cloudReads(r) && or(r.Header.Get("x-ms-range"), r.Header.Get("Range")) != "" && or(r.Header.Get("x-ms-range"), r.Header.Get("Range")) != "bytes=0-"
}

func noCloudRange(r *http.Request) { r.Header.Del("Range"); r.Header.Del("x-ms-range") }

func html(a *reply) {
	a.status, a.header = 200, http.Header{"Content-Type": {"text/html"}}
	a.body = []byte("<!DOCTYPE html><html><body>Please sign in</body></html>")
}

func half(b bend) func() []bend {
	return func() []bend {
		return []bend{{takes: cloudReads, first: 1, times: 1, answer: func(a *reply) { a.breakAt = len(a.body) / 2 }}, b}
	}
}

// token replaces the token of listings.
func token(change func(n int64, was string) string) func(*reply) {
	var n atomic.Int64
	re := regexp.MustCompile(`("nextPageToken":"|<NextMarker>)([^"<]*)`)
	return func(a *reply) {
		k := n.Add(1)
		a.body = re.ReplaceAllFunc(a.body, func(m []byte) []byte {
			parts := re.FindSubmatch(m)
			return []byte(string(parts[1]) + change(k, string(parts[2])))
		})
	}
}

func re(pattern, with string) func(*reply) {
	r := regexp.MustCompile(pattern)
	return func(a *reply) { a.body = r.ReplaceAll(a.body, []byte(with)) }
}

func setBody(text string) func(*reply) {
	return func(a *reply) { a.status, a.body = 200, []byte(text) }
}

func cloudLies() []lie {
	crange := func(f func(string) string) func(*reply) { return header("Content-Range", f) }
	all := []lie{
		{name: "none", of: "list read packed", bends: func() []bend { return nil }, mends: true},
		// reads
		{name: "ranges ignored", of: "read packed", bends: one(bend{takes: cloudReads, request: noCloudRange})},
		{name: "reset, ranges ignored", of: "read packed", bends: half(bend{takes: cloudReads, request: noCloudRange})},
		{name: "another total", of: "read", bends: half(bend{takes: ranged, answer: crange(func(v string) string { return v + "7" })})},
		{name: "another begin, right body", of: "read", bends: half(bend{takes: ranged, answer: crange(func(v string) string {
			var a, b, c int
			fmt.Sscanf(v, "bytes %d-%d/%d", &a, &b, &c)
			return fmt.Sprintf("bytes %d-%d/%d", a+3, b, c)
		})})},
		{name: "right header, other range", of: "read", bends: half(bend{takes: ranged, answer: func(a *reply) {
			if len(a.body) > 10 {
				a.body = append(a.body[5:], a.body[:5]...)
			}
		}})},
		{name: "body longer than its range", of: "read", bends: half(bend{takes: ranged, answer: func(a *reply) { a.body = append(a.body, a.body...) }})},
		{name: "body shorter than its range", of: "read", bends: one(bend{takes: ranged, answer: func(a *reply) { a.body = a.body[:len(a.body)/2] }})},
		{name: "bodies shorter by a byte", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.body = a.body[:max(0, len(a.body)-1)] }})},
		{name: "bodies longer by a line", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.body = append(a.body, "{\"n\":1,\"text\":\"x\"}\n"...) }})},
		{name: "416", of: "read", bends: half(bend{takes: ranged, answer: status(416)})},
		{name: "one 416", of: "read", bends: half(bend{takes: ranged, times: 1, answer: status(416)})},
		{name: "403 in the middle", of: "read", bends: half(bend{takes: ranged, answer: status(403)})},
		{name: "another version in the middle", of: "read", needs: "Store", bends: half(bend{takes: ranged, answer: func(a *reply) {
			a.header.Set("x-goog-generation", "1234")
			a.header.Set("ETag", `"0x8D1234"`)
			a.body = bytes.ToUpper(a.body)
		}})},
		{name: "another stored length", of: "read", bends: one(bend{takes: cloudReads, answer: header("x-goog-stored-content-length", func(v string) string { return "1" + v })})},
		{name: "HTML", of: "read", bends: one(bend{takes: cloudReads, answer: html})},
		{name: "HTML in the middle", of: "read", bends: half(bend{takes: ranged, answer: html})},
		{name: "one HTML in the middle", of: "read", bends: half(bend{takes: ranged, times: 1, answer: html})},
		{name: "206 HTML in the middle", of: "read", bends: half(bend{takes: ranged, answer: func(a *reply) { html(a); a.status = 206 }})},
		{name: "204", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.status, a.body = 204, nil }})},
		{name: "204 without length", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.status, a.body, a.unsized = 204, nil, true }})},
		{name: "200 empty without length", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.body, a.unsized = nil, true }})},
		{name: "200 empty no headers", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.status, a.body, a.unsized, a.header = 200, nil, true, http.Header{} }})},
		{name: "304", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.status, a.body = 304, nil }})},
		{name: "claimed gzip", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { a.header.Set("Content-Encoding", "gzip") }})},
		{name: "undone", of: "packed", bends: one(bend{takes: cloudReads, request: noCloudRange, answer: func(a *reply) {
			unpacked(true)(a)
			a.header.Del("Content-Encoding")
			a.header.Del("Content-Range")
			a.header.Set("Warning", "214 UploadServer gunzipped")
			a.header.Set("x-guploader-response-body-transformations", "gunzipped")
		}}), mends: true},
		{name: "undone, unsized", of: "packed", bends: one(bend{takes: cloudReads, request: noCloudRange, answer: func(a *reply) {
			unpacked(false)(a)
			a.header.Del("Content-Encoding")
			a.header.Del("Content-Range")
			a.header.Set("Warning", "214 UploadServer gunzipped")
		}}), mends: true},
		{name: "undone, unsized, cut", of: "packed", bends: one(bend{takes: cloudReads, request: noCloudRange, answer: func(a *reply) {
			unpacked(false)(a)
			a.body = a.body[:len(a.body)/2]
			a.header.Del("Content-Encoding")
			a.header.Del("Content-Range")
			a.header.Set("Warning", "214 UploadServer gunzipped")
		}})},
		{name: "no headers", of: "read packed", bends: one(bend{takes: cloudReads, answer: func(a *reply) {
			for _, name := range []string{"x-goog-generation", "x-goog-stored-content-length", "x-goog-hash", "ETag", "Last-Modified", "x-goog-stored-content-encoding"} {
				a.header.Del(name)
			}
		}})},
		{name: "other md5 and crc", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) {
			a.header.Set("x-goog-hash", "crc32c=AAAAAA==")
			a.header.Set("Content-MD5", "AAAA")
		}})},
		{name: "redirect loop", of: "read", bends: one(bend{takes: cloudReads, answer: func(a *reply) { status(307, "Location", a.request.URL.String())(a) }})},
		// lists
		{name: "list HTML", of: "list", bends: one(bend{takes: lists, first: 2, answer: html})},
		{name: "list HTML once", of: "list", bends: one(bend{takes: lists, first: 2, times: 1, answer: html}), mends: true},
		{name: "list error with 200", of: "list", bends: one(bend{takes: lists, first: 2, answer: setBody(`{"error":{"code":503,"message":"busy"}}`)})},
		{name: "list {}", of: "list", bends: one(bend{takes: lists, first: 2, answer: setBody(`{}`)})},
		{name: "list null", of: "list", bends: one(bend{takes: lists, first: 3, answer: setBody(`null`)})},
		{name: "list []", of: "list", bends: one(bend{takes: lists, first: 2, answer: setBody(`[]`)})},
		{name: "list other kind", of: "list", bends: one(bend{takes: lists, first: 2, answer: setBody(`{"kind":"storage#buckets","items":[{"name":"x"}]}`)})},
		{name: "list tokens of two", of: "list", bends: one(bend{takes: lists, answer: token(func(n int64, _ string) string { return fmt.Sprintf("keys/0%d000", n%2) })})},
		{name: "list token of the first", of: "list", bends: one(bend{takes: lists, answer: token(func(int64, string) string { return "keys/00000" })})},
		{name: "list fresh tokens, repeated", of: "list", bends: one(bend{takes: lists, answer: token(func(n int64, _ string) string { return fmt.Sprintf("keys/00000%d", n) })})},
		{name: "list fresh tokens, empty", of: "list", bends: func() []bend {
			var n atomic.Int64
			return []bend{{takes: lists, first: 2, answer: func(a *reply) {
				if strings.Contains(string(a.body), "nextPageToken") || a.body[0] == '{' {
					a.body = fmt.Appendf(nil, `{"kind":"storage#objects","nextPageToken":"t%d"}`, n.Add(1))
				} else {
					a.body = fmt.Appendf(nil, `<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker>t%d</NextMarker></EnumerationResults>`, n.Add(1))
				}
			}}}
		}},
		{name: "list lost tokens", of: "list", bends: one(bend{takes: lists, answer: re(`"nextPageToken":"[^"]*"|<NextMarker>[^<]*</NextMarker>`, `"x":1`)})},
		{name: "list empty tokens", of: "list", bends: one(bend{takes: lists, answer: re(`("nextPageToken":"|<NextMarker>)[^"<]*`, `$1`)})},
		{name: "list duplicate key", of: "list", bends: one(bend{takes: lists, answer: re(`keys/00011`, `keys/00010`)})},
		{name: "list other prefix", of: "list", bends: one(bend{takes: lists, answer: re(`keys/01011`, `kexs/01011`)})},
		{name: "list empty name", of: "list", bends: one(bend{takes: lists, answer: re(`keys/01011`, ``)})},
		{name: "list no name", of: "list", bends: one(bend{takes: lists, answer: re(`"name":"keys/01011",|<Name>keys/01011</Name>`, ``)})},
		{name: "list prefixes", of: "list", bends: one(bend{takes: lists, answer: re(`"items"|<Blobs>`, `"prefixes":["keys/000/"],"items"`)})},
		{name: "list blob prefix", of: "list", bends: one(bend{takes: lists, answer: re(`<Blobs>`, `<Blobs><BlobPrefix><Name>keys/000/</Name></BlobPrefix>`)})},
		{name: "list negative size", of: "list", bends: one(bend{takes: lists, answer: re(`("size":"|<Content-Length>)1`, `${1}-1`)})},
		{name: "list huge size", of: "list", bends: one(bend{takes: lists, answer: re(`("size":"|<Content-Length>)1`, `${1}9223372036854775807`)})},
		{name: "list too huge size", of: "list", bends: one(bend{takes: lists, answer: re(`("size":"|<Content-Length>)1`, `${1}92233720368547758071`)})},
		{name: "list no properties", of: "list", bends: one(bend{takes: lists, answer: re(`<Properties>.*?</Properties>|"generation":"[0-9]*",|"updated":"[^"]*",?`, ``)})},
		{name: "list bad time", of: "list", bends: one(bend{takes: lists, answer: re(`("updated":"|<Last-Modified>)[^"<]*`, `${1}yesterday`)})},
		{name: "list half", of: "list", bends: one(bend{takes: lists, first: 2, answer: func(a *reply) { a.body = a.body[:len(a.body)/2] }})},
		{name: "list trailing", of: "list", bends: one(bend{takes: lists, answer: func(a *reply) { a.body = append(a.body, "<html>"...) }})},
		{name: "list 204", of: "list", bends: one(bend{takes: lists, first: 2, answer: func(a *reply) { a.status, a.body = 204, nil }})},
		{name: "list gzip", of: "list", bends: one(bend{takes: lists, answer: func(a *reply) { a.header.Set("Content-Encoding", "gzip") }})},
	}
	for i, after := range []string{"86400", "-5", "never", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		for _, code := range []int{429, 503} {
			all = append(all,
				lie{name: fmt.Sprintf("Retry-After %d of %d", i, code), of: "read", bends: one(bend{takes: cloudReads, times: 3, answer: status(code, "Retry-After", after)})},
				lie{name: fmt.Sprintf("list Retry-After %d of %d", i, code), of: "list", bends: one(bend{takes: lists, times: 3, answer: status(code, "Retry-After", after)}), mends: true},
			)
		}
	}
	return all
}

func openCloud(t *testing.T, azure bool, address string) *blob.Bucket {
	place := gcsPlace(address, liesBucket)
	if azure {
		place = azurePlace(address, liesBucket)
	}
	b, err := openPlace(t.Context(), place)
	require.NoError(t, err)
	return closeAtEnd(t, b)
}

// TestCloudsThatLieGiveTheRightItemsOrAnError runs each source but redrives, whose failures are
// tolerated, over each lie of GCS and Azure. `make lies` runs it.
func TestCloudsThatLieGiveTheRightItemsOrAnError(t *testing.T) {
	if os.Getenv("DMAP_LIES") == "" {
		t.Skip("make lies runs it")
	}
	for _, cloud := range []struct {
		name     string
		azure    bool
		features source.StoreFeatures
	}{{"gcs", false, gcs.Store()}, {"azure", true, azure.Store()}} {
		store := newCloudServer(cloud.azure, liesObjects())
		for _, l := range cloudLies() {
			for _, src := range bentSourcesOf(bentStoreKind{}, bentStoreKind{", Store", cloud.features}) {
				if strings.HasPrefix(src.name, "redrive") || !l.meets(src) || l.needs == "Store" && !strings.HasSuffix(src.name, "Store") {
					continue
				}
				t.Run(cloud.name+"/"+l.name+"/"+src.name, func(t *testing.T) {
					t.Parallel()
					_, address := newBender(t, store, l.bends()...)
					ctx, cancel := context.WithTimeout(t.Context(), 2*liesLimit)
					defer cancel()
					begin := time.Now()
					got, err := src.run(ctx, openCloud(t, cloud.azure, address))
					t.Logf("%.1fs: %.500v", time.Since(begin).Seconds(), err)
					require.NoError(t, ctx.Err())
					if err != nil {
						require.False(t, l.mends && !cloud.azure, "%v", err)
						return
					}
					require.True(t, slices.Equal(src.want(), got), "success with %d items of %d, or others", len(got), len(src.want()))
				})
			}
		}
	}
}
