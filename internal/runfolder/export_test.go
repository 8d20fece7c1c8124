package runfolder

// EncodeForged is EncodeCommit without its check.
var EncodeForged = encodeCommit
