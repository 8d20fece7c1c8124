package dmapweb

import "embed"

// files are the page: plain ES modules and a style sheet.
//
//go:embed web
var files embed.FS
