"""Data set curation: copies, outliers, wrong labels, drift, and splitting."""
