-- One database and one user each for MLflow's runs, MLflow's users, and Optuna's studies. You can run it again: it
-- creates what is missing and sets the passwords. They come from the environment, so none appears on a command line.
\set ON_ERROR_STOP on
\getenv mlflow_password MLFLOW_PASSWORD
\getenv mlflow_auth_password MLFLOW_AUTH_PASSWORD
\getenv optuna_password OPTUNA_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name) FROM (VALUES ('mlflow'), ('mlflow_auth'), ('optuna')) AS wanted(name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE mlflow PASSWORD :'mlflow_password';
ALTER ROLE mlflow_auth PASSWORD :'mlflow_auth_password';
ALTER ROLE optuna PASSWORD :'optuna_password';

SELECT format('CREATE DATABASE %1$I OWNER %1$I', name)
FROM (VALUES ('mlflow'), ('mlflow_auth'), ('optuna')) AS wanted(name)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

-- By default, every user may connect to every database.
REVOKE CONNECT ON DATABASE mlflow, mlflow_auth, optuna, postgres FROM PUBLIC;
