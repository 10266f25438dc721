"""One file per stage of a job, one public function each."""
