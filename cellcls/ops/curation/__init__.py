"""What is wrong with a data set: copies, outliers, wrong labels, drift; and how it is split."""
