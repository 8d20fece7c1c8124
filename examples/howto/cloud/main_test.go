package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFolderIsReadByItsURL(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("12345"), 0o600))
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "file://"+filepath.ToSlash(dir)+"?metadata=skip", "", 10))
	require.Equal(t, "5 objects, 25 bytes, 0 failed\n", out.String())
}

func TestS3IsReadWithThePackageForIt(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	var reads atomic.Int64
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("list-type") == "2" {
			fmt.Fprint(w, `<ListBucketResult><Name>b</Name><Prefix>in/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>`+
				`<IsTruncated>false</IsTruncated>`)
			for _, key := range []string{"in/1", "in/2"} {
				fmt.Fprintf(w, `<Contents><Key>%s</Key><LastModified>2026-11-25T00:00:00.000Z</LastModified>`+
					`<ETag>"5"</ETag><Size>5</Size></Contents>`, key)
			}
			fmt.Fprint(w, `</ListBucketResult>`)
			return
		}
		reads.Add(1)
		w.Header().Set("ETag", `"5"`)
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 00:00:00 GMT")
		_, _ = io.WriteString(w, "12345")
	}))
	defer store.Close()
	query := url.Values{
		"region": {"us-east-1"}, "endpoint": {store.URL}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "s3://b?"+query.Encode(), "in/", 10))
	require.Equal(t, "2 objects, 10 bytes, 0 failed\n", out.String())
	require.EqualValues(t, 2, reads.Load())
}

func TestGoogleCloudStorageIsReadWithThePackageForIt(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/storage/v1/b/b/o" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"kind":"storage#objects","items":[`+
				`{"name":"in/1","size":"5","generation":"7","updated":"2026-11-25T00:00:00Z"},`+
				`{"name":"in/2","size":"5","generation":"7","updated":"2026-11-25T00:00:00Z"}]}`)
			return
		}
		if r.Header.Get("x-goog-if-generation-match") != "7" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		w.Header().Set("x-goog-generation", "7")
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 00:00:00 GMT")
		_, _ = io.WriteString(w, "12345")
	}))
	defer store.Close()
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(store.URL, "http://"))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "gs://b", "in/", 10))
	require.Equal(t, "2 objects, 10 bytes, 0 failed\n", out.String())
}

func TestAzureIsReadWithThePackageForIt(t *testing.T) {
	for name, value := range map[string]string{
		"ACCOUNT": "loans", "KEY": "c2VjcmV0", "SAS_TOKEN": "", "CONNECTION_STRING": "", "DOMAIN": "", "PROTOCOL": "",
	} {
		t.Setenv("AZURE_STORAGE_"+name, value)
	}
	const modified = "Wed, 25 Nov 2026 00:00:00 GMT"
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("comp") == "list" {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = io.WriteString(w, `<EnumerationResults><Blobs>`)
			for _, key := range []string{"in/1", "in/2"} {
				fmt.Fprintf(w, `<Blob><Name>%s</Name><Properties><Last-Modified>%s</Last-Modified><Etag>0x7</Etag>`+
					`<Content-Length>5</Content-Length></Properties></Blob>`, key, modified)
			}
			_, _ = io.WriteString(w, `</Blobs><NextMarker/></EnumerationResults>`)
			return
		}
		w.Header().Set("ETag", `"0x7"`)
		w.Header().Set("Last-Modified", modified)
		_, _ = io.WriteString(w, "12345")
	}))
	defer store.Close()
	query := url.Values{"protocol": {"http"}, "domain": {strings.TrimPrefix(store.URL, "http://")}, "localemu": {"true"}}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "azblob://b?"+query.Encode(), "in/", 10))
	require.Equal(t, "2 objects, 10 bytes, 0 failed\n", out.String())
}

func TestAnUnknownSchemeIsNamed(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), io.Discard, "ftp://somewhere", "", 1), "open ftp://somewhere: ")
}
