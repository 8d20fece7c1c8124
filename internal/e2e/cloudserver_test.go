package e2e

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cloudServer is a bucket in memory with the part of the interface of Google Cloud Storage or of
// Azure Blob Storage that dmap uses. Its answers have the headers of the real services that the
// public emulators leave out.
type cloudServer struct {
	azure bool

	mu      sync.Mutex // guards the fields below
	objects map[string]cloudObject
	sorted  []string // the keys; nil: not known
	writes  int64
}

type cloudObject struct {
	data       []byte
	encoding   string // Content-Encoding
	generation int64
	at         time.Time
}

func newCloudServer(azure bool, objects map[string]string) *cloudServer {
	s := &cloudServer{azure: azure, objects: map[string]cloudObject{}}
	for key, content := range objects {
		o := cloudObject{data: []byte(content)}
		if strings.HasPrefix(key, "packed") {
			o.encoding = "gzip"
		}
		s.put(key, o, "")
	}
	return s
}

func (o cloudObject) etag() string { return fmt.Sprintf(`"0x8D%d"`, o.generation) }

func (s *cloudServer) get(key string) (cloudObject, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	return o, ok
}

// put stores an object, unless one is there and create is not empty.
func (s *cloudServer) put(key string, o cloudObject, create string) (cloudObject, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; ok && create != "" {
		return cloudObject{}, false
	}
	s.writes++
	o.generation, o.at = 1_700_000_000_000_000+s.writes, time.Now()
	s.objects[key], s.sorted = o, nil
	return o, true
}

// page returns the keys from a token on, and the next token.
func (s *cloudServer) page(prefix, token, start string, most int) (keys []string, next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sorted == nil {
		s.sorted = slices.Sorted(maps.Keys(s.objects))
	}
	at, _ := slices.BinarySearch(s.sorted, max(prefix, token, start))
	for _, key := range s.sorted[at:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		keys = append(keys, key)
	}
	if most <= 0 {
		most = 1000
	}
	if len(keys) > most {
		return keys[:most], keys[most]
	}
	return keys, ""
}

func (s *cloudServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.azure {
		s.serveAzure(w, r)
		return
	}
	s.serveGCS(w, r)
}

func (s *cloudServer) serveGCS(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch path := r.URL.Path; {
	case path == "/storage/v1/b/"+liesBucket+"/o":
		keys, next := s.page(query.Get("prefix"), query.Get("pageToken"), query.Get("startOffset"), atoi(query.Get("maxResults")))
		items := []any{}
		for _, key := range keys {
			o, _ := s.get(key)
			items = append(items, gcsAttributes(key, o))
		}
		answer := map[string]any{"kind": "storage#objects", "items": items}
		if next != "" {
			answer["nextPageToken"] = next
		}
		writeJSON(w, answer)
	case strings.HasPrefix(path, "/upload/"):
		s.uploadGCS(w, r)
	case strings.HasPrefix(path, "/storage/v1/b/"+liesBucket+"/o/"):
		key := strings.TrimPrefix(path, "/storage/v1/b/"+liesBucket+"/o/")
		o, ok := s.get(key)
		switch {
		case !ok:
			gcsRefuse(http.StatusNotFound, "notFound")(w)
		case r.Method == http.MethodDelete:
			s.remove(key)
			w.WriteHeader(http.StatusNoContent)
		default:
			writeJSON(w, gcsAttributes(key, o))
		}
	default:
		key := strings.TrimPrefix(path, "/"+liesBucket+"/")
		o, ok := s.get(key)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if want := r.Header.Get("x-goog-if-generation-match"); want != "" && want != fmt.Sprint(o.generation) {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		w.Header().Set("x-goog-generation", fmt.Sprint(o.generation))
		w.Header().Set("x-goog-stored-content-length", fmt.Sprint(len(o.data)))
		w.Header().Set("x-goog-stored-content-encoding", or(o.encoding, "identity"))
		w.Header().Set("x-goog-hash", "crc32c="+crcOf(o.data))
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(o.generation)))
		serveRange(w, r, o, r.Header.Get("Range"))
	}
}

func (s *cloudServer) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	s.sorted = nil
}

func (s *cloudServer) uploadGCS(w http.ResponseWriter, r *http.Request) {
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	parts := multipart.NewReader(r.Body, params["boundary"])
	var name string
	var data []byte
	for i := 0; ; i++ {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		body, _ := io.ReadAll(part)
		if i == 0 {
			var meta struct {
				Name string `json:"name"`
			}
			_ = json.Unmarshal(body, &meta)
			name = meta.Name
		} else {
			data = body
		}
	}
	create := ""
	if r.URL.Query().Get("ifGenerationMatch") == "0" {
		create = "*"
	}
	o, ok := s.put(name, cloudObject{data: data}, create)
	if !ok {
		gcsRefuse(http.StatusPreconditionFailed, "conditionNotMet")(w)
		return
	}
	writeJSON(w, gcsAttributes(name, o))
}

func gcsRefuse(status int, reason string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%d,"message":"bent","errors":[{"reason":%q,"message":"bent"}]}}`, status, reason)
	}
}

func gcsAttributes(key string, o cloudObject) map[string]any {
	return map[string]any{
		"kind": "storage#object", "name": key, "bucket": liesBucket, "size": fmt.Sprint(len(o.data)),
		"generation": fmt.Sprint(o.generation), "metageneration": "1", "etag": "CAE=", "contentEncoding": o.encoding,
		"updated": o.at.UTC().Format(time.RFC3339Nano), "timeCreated": o.at.UTC().Format(time.RFC3339Nano),
		"crc32c": crcOf(o.data),
	}
}

func crcOf(data []byte) string {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(v)
}

// serveRange answers with a range of an object, as it is stored.
func serveRange(w http.ResponseWriter, r *http.Request, o cloudObject, asked string) {
	if o.encoding != "" {
		w.Header().Set("Content-Encoding", o.encoding)
	}
	w.Header().Set("Last-Modified", o.at.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/octet-stream")
	size := len(o.data)
	from, to, status := 0, size-1, http.StatusOK
	if text, ok := strings.CutPrefix(asked, "bytes="); ok {
		first, last, _ := strings.Cut(text, "-")
		from, status = atoi(first), http.StatusPartialContent
		if last != "" {
			to = min(to, atoi(last))
		}
		if from >= size {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
	}
	w.Header().Set("Content-Length", fmt.Sprint(to+1-from))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(o.data[from : to+1])
	}
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

type azureBlob struct {
	Name     string `xml:"Name"`
	Modified string `xml:"Properties>Last-Modified"`
	ETag     string `xml:"Properties>Etag"`
	Length   int    `xml:"Properties>Content-Length"`
	Encoding string `xml:"Properties>Content-Encoding"`
	Type     string `xml:"Properties>BlobType"`
}

type azureList struct {
	XMLName xml.Name    `xml:"EnumerationResults"`
	Service string      `xml:"ServiceEndpoint,attr"`
	Name    string      `xml:"ContainerName,attr"`
	Prefix  string      `xml:"Prefix"`
	Blobs   []azureBlob `xml:"Blobs>Blob"`
	Next    string      `xml:"NextMarker"`
}

func (s *cloudServer) serveAzure(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-ms-version", "2024-01-01")
	w.Header().Set("x-ms-request-id", "1")
	query := r.URL.Query()
	if query.Get("comp") == "list" {
		keys, next := s.page(query.Get("prefix"), query.Get("marker"), "", atoi(query.Get("maxresults")))
		answer := azureList{Service: "http://azure/", Name: liesBucket, Prefix: query.Get("prefix"), Next: next}
		for _, key := range keys {
			o, _ := s.get(key)
			answer.Blobs = append(answer.Blobs, azureBlob{
				key, o.at.UTC().Format(http.TimeFormat), strings.Trim(o.etag(), `"`), len(o.data), o.encoding, "BlockBlob",
			})
		}
		w.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(w, xml.Header)
		_ = xml.NewEncoder(w).Encode(answer)
		return
	}
	_, key, _ := strings.Cut(r.URL.Path, "/"+liesBucket+"/")
	switch r.Method {
	case http.MethodPut:
		data, _ := io.ReadAll(r.Body)
		o, ok := s.put(key, cloudObject{data: data}, r.Header.Get("If-None-Match"))
		if !ok {
			azureRefuse(w, http.StatusConflict, "BlobAlreadyExists")
			return
		}
		w.Header().Set("ETag", o.etag())
		w.Header().Set("Last-Modified", o.at.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		s.remove(key)
		w.WriteHeader(http.StatusAccepted)
	default:
		o, ok := s.get(key)
		if !ok {
			azureRefuse(w, http.StatusNotFound, "BlobNotFound")
			return
		}
		if want := r.Header.Get("If-Match"); want != "" && want != o.etag() {
			azureRefuse(w, http.StatusPreconditionFailed, "ConditionNotMet")
			return
		}
		w.Header().Set("ETag", o.etag())
		w.Header().Set("x-ms-blob-type", "BlockBlob")
		w.Header().Set("x-ms-creation-time", o.at.UTC().Format(http.TimeFormat))
		serveRange(w, r, o, or(r.Header.Get("x-ms-range"), r.Header.Get("Range")))
	}
}

func azureRefuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>bent</Message></Error>", code)
}
