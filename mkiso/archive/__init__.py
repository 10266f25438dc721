"""The embedded archive: query, retrieve and storage over a folder of DICOM files."""
